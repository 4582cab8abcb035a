//! `batchdb completions` and `batchdb man`: what is made of the command line's own description.

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man as Page;

use super::options::Options;
use super::show::Out;
use super::{Failure, code};

pub(crate) const COMPLETIONS: &str = "\
Examples:
  batchdb completions bash > /etc/bash_completion.d/batchdb
  batchdb completions zsh > ~/.zfunc/_batchdb
  batchdb completions fish > ~/.config/fish/completions/batchdb.fish";

pub(crate) const MAN: &str = "\
Examples:
  batchdb man > /usr/local/share/man/man1/batchdb.1
  batchdb man query > /usr/local/share/man/man1/batchdb-query.1
  batchdb man doctor | man -l -";

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The command that the page is for; without one it is that of `batchdb`, which lists them
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

pub(crate) fn completions(completions: &Completions, out: Out<'_>) -> Result<u8, Failure> {
    // It panics where it cannot write, so it writes to memory.
    let mut script = Vec::new();
    clap_complete::generate(completions.shell, &mut Options::command(), "batchdb", &mut script);
    out.write_all(&script)?;
    Ok(code::DONE)
}

pub(crate) fn man(man: &Man, out: Out<'_>) -> Result<u8, Failure> {
    let mut command = Options::command();
    // The names of the whole line, `batchdb query`, are put together here.
    command.build();
    let page = match &man.command {
        None => Page::new(command),
        Some(name) => {
            let Some(found) = command.find_subcommand(name) else {
                return Err(Failure::Usage(format!(
                    "there is no command `{name}`; `batchdb help` lists them"
                )));
            };
            Page::new(found.clone()).title(format!("batchdb-{name}"))
        }
    };
    let mut text = Vec::new();
    page.render(&mut text)?;
    out.write_all(&text)?;
    Ok(code::DONE)
}
