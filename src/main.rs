fn main() -> std::process::ExitCode {
    residua::cli::main()
}
