//! What `--help` says behind the options of each command: examples, and what the exit codes mean.
//!
//! The same text is in the man pages. Lines are kept under 80 columns, so that no window of that width wraps
//! them.

use clap::Command;

/// The exit codes of every command, besides its own.
const FAILURE: &str = "  1  a failure; the last line says which
  2  a wrong command line";

const REFUSED: &str = "  5  you or the relay said no";

/// Adds examples and exit codes to the program and to each of its commands.
pub(crate) fn with_examples(program: Command) -> Command {
    let texts = TEXTS.iter().map(|(name, examples, codes)| (*name, text(examples, codes)));
    let whole = text(PROGRAM_EXAMPLES, PROGRAM_CODES);
    texts.fold(program.after_help(whole), |program, (name, text)| {
        program.mut_subcommand(name, |command| command.after_help(text))
    })
}

fn text(examples: &str, codes: &str) -> String {
    let codes = codes.replace("{failure}", FAILURE).replace("{refused}", REFUSED);
    format!("Examples:\n{examples}\n\nExit codes:\n{codes}")
}

const PROGRAM_EXAMPLES: &str = "  workstation setup https://relay.example.org  keep the relay's address
  workstation                                  pair, and talk in lines of text
  workstation run                              share your shell with phones
  dmesg -w | workstation --alone               send lines, without an agent
  workstation help run                         more about one command";

const PROGRAM_CODES: &str = "  0  Ctrl-C or the end of the input, and the phone has taken every line
{failure}
  3  the phone has not confirmed all lines
  4  no phone came in time, or the question about it was not answered
{refused}";

/// A command, its examples, its exit codes.
const TEXTS: &[(&str, &str, &str)] = &[
    (
        "chat",
        "  workstation chat                  lines both ways; pairs if there is no phone
  make 2>&1 | workstation chat      send the output of a program
  workstation chat --json           one JSON event a line, for scripts",
        PROGRAM_CODES,
    ),
    (
        "run",
        "  workstation run                   share your shell
  workstation run -- htop           share one program
  workstation run --view-only       phones may watch, and not type",
        "  N  the command's own
  0  you detached, and the command goes on
125  the terminal failed
126  the command cannot be started
127  the command was not found",
    ),
    (
        "send",
        "  workstation send photo.jpg        a file to the only phone
  workstation send --to Pixel a/ b  a folder and a file to one of several
  workstation send --wait 60 a.zip  for scripts: do not wait for ever",
        "  0  every phone has every file
{failure}
  3  a phone does not have all files: some were not taken, or it stopped
  4  a phone was not there in time
  5  a phone refused
130  Ctrl-C; the same command goes on where it stopped",
    ),
    (
        "receive",
        "  workstation receive               into this folder, until Ctrl-C
  workstation receive --once in/    end when a phone has sent its files",
        "  0  with --once: every file is there; without: Ctrl-C while nothing came
{failure}
  3  with --once: some files are not there
  4  nothing came in time
130  Ctrl-C; what is not whole goes on when it is sent again",
    ),
    (
        "terminals",
        "  workstation terminals             names, sizes, who is watching
  workstation terminals --json      the same for scripts",
        "  0  listed, also if there is none
{failure}",
    ),
    (
        "attach",
        "  workstation attach bash           come back to the terminal named bash",
        "  N  the command's own, if it ended meanwhile
  0  you detached, and the command goes on
{failure}",
    ),
    (
        "notify",
        "  workstation notify \"the build is done\"
  make; workstation notify --title make \"exit code $?\"
  tail -n 1 log | workstation notify --urgent --wait 60 -",
        "  0  a phone has shown it
  1  neither that nor 3, or a failure; the last line says which
  2  a wrong command line
  3  a push service has taken it, and no phone has shown it yet",
    ),
    (
        "clip",
        "  workstation clip < notes.txt      to the phone's clipboard box
  workstation clip --get > note.txt wait for a text of the phone",
        "  0  the phone has shown the text, or the phone's text is printed
{failure}
  4  the phone was not there, or sent nothing, in time
  5  the phone said no
130  Ctrl-C",
    ),
    (
        "pipe",
        "  tar c folder | workstation pipe   bytes to the phone
  workstation pipe < /dev/null > in bytes of the phone",
        "  0  both sides have written everything
{failure}
  3  not everything was written
  4  the phone did not open its end in time
  5  the phone said no
130  Ctrl-C",
    ),
    (
        "setup",
        "  workstation setup https://relay.example.org
  REGISTER_KEY=… workstation setup https://relay.example.org",
        "  0  kept
{failure}
{refused}",
    ),
    (
        "pair",
        "  workstation pair                  show a code, and ask about the phone
  workstation pair --name Pixel     call it so
  workstation pair --png code.png   also as a picture
  workstation pair --yes --json     for scripts: no question, events as JSON",
        "  0  a phone was paired
{failure}
  4  no phone came in time, or the question about it was not answered
{refused}",
    ),
    (
        "devices",
        "  workstation devices               names, last seen, online
  workstation devices --json        the same for scripts",
        "  0  listed, also if there is none
{failure}",
    ),
    (
        "rename",
        "  workstation rename Pixel \"Anna's phone\"",
        "  0  renamed
{failure}",
    ),
    (
        "revoke",
        "  workstation revoke Pixel          its key opens nothing afterwards",
        "  0  revoked
{failure}",
    ),
    (
        "rights",
        "  workstation rights Pixel           what it may do
  workstation rights Pixel +shell    also shells, while `serve --shell` runs
  workstation rights Pixel -type     see terminals, and not type
  workstation rights Pixel chat,view  these two, and nothing else",
        "  0  changed, or shown
{failure}",
    ),
    (
        "serve",
        "  workstation serve                  be there for phones, until Ctrl-C
  workstation serve --shell --for Pixel
  workstation serve --inbox Downloads    files of phones go there",
        "  0  Ctrl-C, or a signal to end
{failure}",
    ),
    (
        "service",
        "  workstation service install        run `serve` from now on
  workstation service install --shell --for Pixel
  workstation service status         does it run?
  workstation service uninstall      end it",
        "  0  done; of `status` and `install`: it runs
{failure}; of `status`: it does not run",
    ),
    (
        "doctor",
        "  workstation doctor                what is wrong, and what to do
  workstation doctor --json         the same for scripts",
        "  0  all is well
  1  there is something to do; the lines that begin with FIX say what
  2  a wrong command line",
    ),
    (
        "completions",
        "  source <(workstation completions bash)
  workstation completions zsh > ~/.zfunc/_workstation
  workstation completions fish > ~/.config/fish/completions/workstation.fish",
        "  0  written
{failure}",
    ),
    (
        "man",
        "  workstation man ~/.local/share/man/man1
  man workstation-run",
        "  0  written
{failure}",
    ),
];

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Args;

    #[test]
    fn every_command_that_is_shown_has_examples_and_exit_codes_that_fit_a_window() {
        let program = with_examples(Args::command());
        let shown = program.get_subcommands().filter(|command| !command.is_hide_set());
        for command in shown.chain([&program]) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let name = command.get_name();
            assert!(help.starts_with("Examples:\n") && help.contains("\nExit codes:\n"), "{name}: {help}");
            assert!(!help.contains('{'), "{name}: {help}");
            for line in help.lines() {
                assert!(line.chars().count() < 80, "{name}: {line}");
                // A line that begins so is an option.
                assert!(!line.trim_start().starts_with("--"), "{name}: {line}");
            }
        }
    }

    #[test]
    fn an_example_is_a_command_line_of_the_program() {
        let examples = TEXTS.iter().map(|(_, examples, _)| *examples).chain([PROGRAM_EXAMPLES]);
        let mut seen = 0;
        for line in examples.flat_map(str::lines).filter(|line| !line.contains(['<', '>', '~', '|', '"'])) {
            let Some(words) = line.split("workstation").nth(1).filter(|words| !words.starts_with('-')) else {
                continue;
            };
            // Words about it follow after two spaces or more.
            let line = words.split("  ").next().unwrap_or_default();
            let words = ["workstation"].into_iter().chain(line.split_whitespace());
            let parsed = Args::command().try_get_matches_from(words);
            if let Err(error) = parsed {
                assert!(!error.use_stderr(), "{line}: {error}");
            }
            seen += 1;
        }
        assert!(seen > 15, "{seen}");
    }
}
