"""The image that machines run: its firewall and entrypoint in network namespaces, the whole of it where podman is."""
