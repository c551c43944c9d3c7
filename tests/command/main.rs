//! The command as a user meets it: arguments, files, text, exit codes.

#[path = "../browser_support/mod.rs"]
mod browser_support;
mod build;
mod cache;
#[path = "../cli_support/mod.rs"]
mod cli_support;
mod documents;
mod driven;
mod examples;
mod export;
mod inspect;
mod plans;
mod precision;
mod quantised;
mod refusals;
mod report;
mod run;
mod serve;
mod simulate;
mod stream;
mod talk;
mod tune;
mod units;
