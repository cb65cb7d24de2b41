"""How an impure function becomes a pure one: frames, scopes, names, variables, keys, modules, `transform`."""
