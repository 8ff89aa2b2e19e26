# Worker {{workerId}}: rendered from .env for shells started by hand; never shown to an agent.
{{environment}}
