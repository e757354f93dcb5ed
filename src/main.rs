//! The binary `divisi`: everything is in the library's `cli`.

fn main() -> std::process::ExitCode {
    let mut args = std::env::args_os().skip(1);
    let code = match args.next().as_deref().and_then(std::ffi::OsStr::to_str) {
        Some("agent-shim") => divisi::sandbox::shim_main(args),
        Some("sandbox-exec") => divisi::sandbox::exec_main(args),
        _ => 9,
    };
    std::process::ExitCode::from(u8::try_from(code).unwrap_or(1))
}
