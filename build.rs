//! Compiles TensorRT's shim.

mod build_tensorrt;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if let Err(error) = build_tensorrt::build() {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}
