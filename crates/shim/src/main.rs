//! `containerd-shim-tare-v2`: all of it is in the library, where fuzzers reach it, too.

fn main() -> std::process::ExitCode {
    tare_shim::main()
}
