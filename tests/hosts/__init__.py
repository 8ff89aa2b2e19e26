"""Remote hosts, over a real sshd."""
