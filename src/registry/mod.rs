//! What docxy knows of registries: names, routes, tokens, redirects. Pure: no sockets, no clock.
