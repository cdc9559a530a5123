//! The host that keepwarm runs on: its sockets. Nothing here runs unless it was asked for.

pub mod probe;
