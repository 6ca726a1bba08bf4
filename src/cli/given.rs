//! Which flags the user gave, so that one that changes nothing is refused and not passed over.
use crate::{Error, Result};
use clap::ArgMatches;
use clap::parser::ValueSource;

/// The flags on the command line, as `clap` calls their arguments.
pub(crate) struct Given(Vec<String>);

impl Given {
    /// Those of a command and of the commands in it.
    pub fn of(matches: &ArgMatches) -> Self {
        let own = matches.ids().filter(|id| matches.value_source(id.as_str()) == Some(ValueSource::CommandLine));
        let mut all: Vec<String> = own.map(|id| id.as_str().to_owned()).collect();
        if let Some((_, inner)) = matches.subcommand() {
            all.extend(Given::of(inner).0);
        }
        Given(all)
    }
    /// Whether a flag, such as `--max-steps`, was given.
    pub fn has(&self, flag: &str) -> bool {
        let id = flag.trim_start_matches('-').replace('-', "_");
        self.0.contains(&id)
    }
    /// Refuses the first of these flags that was given: `why` makes the error of it.
    /// # Errors
    /// [`Error::Invalid`] with the flag.
    pub fn refuse(&self, flags: &[&str], why: impl Fn(&str) -> String) -> Result<()> {
        match flags.iter().find(|flag| self.has(flag)) {
            Some(flag) => Err(Error::Invalid(why(flag))),
            None => Ok(()),
        }
    }
}
