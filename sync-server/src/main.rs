//! The `fieldledger` command.

fn main() -> std::process::ExitCode {
    fieldledger_server::cli::main()
}
