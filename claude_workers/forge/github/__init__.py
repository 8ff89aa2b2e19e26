"""GitHub: issues, comments, labels and pull requests over REST; claims as git refs."""
