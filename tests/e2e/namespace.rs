//! A network namespace of a test's own, with addresses of the world on its loopback.

use std::path::{Path, PathBuf};
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

    /// Names are looked up by the server at this address from now on.
    pub(crate) fn resolve_by(&self, server: &str) {
        let dir = self.files();
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("resolv.conf"), format!("nameserver {server}\n")).unwrap();
    }

    /// What is in this directory lies over the files of `/etc` inside (ip-netns(8)).
    fn files(&self) -> PathBuf {
        Path::new("/etc/netns").join(&self.name)
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
        let _ = std::fs::remove_dir_all(self.files());
    }
}
