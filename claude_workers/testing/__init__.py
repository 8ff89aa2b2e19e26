"""What tests may want, ours and users': a stand-in agent and a scripted Messages endpoint."""
