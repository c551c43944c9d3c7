//! The command `tvm-dla`.

#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    tvm_dla::cli::main()
}
