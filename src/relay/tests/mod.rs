//! What becomes of every operator of Relay, and the page that says so.

mod page;
mod specimens;
mod support;
