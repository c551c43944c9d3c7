//! The command `tvm-dla`.

fn main() -> std::process::ExitCode {
    tvm_dla::cli::main()
}
