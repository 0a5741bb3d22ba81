//! Tells dependent build scripts where these sources are (`DEP_TARE_KERNEL_SOURCE`).

fn main() {
    let here = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    println!("cargo::metadata=source={here}");
    println!("cargo::rerun-if-changed=build.rs");
}
