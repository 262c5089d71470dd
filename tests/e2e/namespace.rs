//! A network namespace of a test's own, with addresses of the world on its loopback.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::programs::run;

/// A namespace; removed when dropped.
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes a namespace whose loopback has these addresses besides its own.
    ///
    /// # Errors
    /// With what `ip` said: making one takes privileges that not every machine gives.
    pub(crate) fn new(addresses: &[&str]) -> Result<Namespace, String> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("docxy-e2e-{}-{count}", std::process::id());
        run(Command::new("ip").args(["netns", "add", &name]))?;
        let namespace = Namespace { name };
        run(namespace.command("ip").args(["link", "set", "lo", "up"]))?;
        for address in addresses {
            run(namespace.command("ip").args([
                "address",
                "add",
                &format!("{address}/32"),
                "dev",
                "lo",
            ]))?;
        }
        Ok(namespace)
    }

    /// A command that runs inside; the process keeps its id.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip")
            .args(["netns", "delete", &self.name])
            .status();
    }
}
