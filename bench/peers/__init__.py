"""The servers that Parley is compared with: `bench.peers.comparing` measures, `bench.peers.picture` draws."""
