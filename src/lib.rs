//! docxy, a pull proxy for container registries.
