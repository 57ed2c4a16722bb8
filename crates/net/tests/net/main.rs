//! The server over real sockets, with a service that does what the frames say.

mod bounds;
mod end;
mod measure;
mod order;
mod service;
