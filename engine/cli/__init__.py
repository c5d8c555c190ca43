"""The `saveguard` console command."""
