"""The test double of GitHub and its tests."""
