//! The arithmetic of the model keeps helpers that share out its larger operations, one at a time for the whole process.
//! Threads that answer one question each wait for one another there: with two of them a crowd got 22 vectors a second, and
//! without helpers 56. How many there are is read from the environment alone, at the first use.
//!
//! A process that has threads cannot change its environment safely. So the daemon begins again before it has any: the same
//! process, with one more variable. Whoever has set the variable is left alone.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::config;

const VARIABLE: &str = "CANDLE_NUM_THREADS";

/// Begin again with the variable; comes back only when it is there already, or nothing can be begun.
pub(super) fn begin_again() {
    if config::is_in_environment(VARIABLE) {
        return;
    }
    let mut words = std::env::args_os();
    let (Some(name), Ok(program)) = (words.next(), std::env::current_exe()) else {
        return;
    };
    // A daemon whose file was replaced goes on as it is: slower in a crowd, and no worse.
    drop(
        Command::new(program)
            .arg0(name)
            .args(words)
            .env(VARIABLE, "1")
            .exec(),
    );
}
