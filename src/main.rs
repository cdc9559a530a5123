//! The `keepwarm` command. All it does is hand over to [`keepwarm::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    keepwarm::cli::main()
}
