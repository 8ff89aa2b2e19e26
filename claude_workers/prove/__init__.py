"""The proof of isolation: escapes tried for real, each with a control that shows the trick works."""
