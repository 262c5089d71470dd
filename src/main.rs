//! The `docxy` command: read the flags, bind, say where, serve until a signal.

use std::error::Error;
use std::fmt::Display;
use std::io;
use std::net::TcpListener;
use std::process::ExitCode;
use std::time::SystemTime;

use docxy::acme::renewal::Acme;
use docxy::args::CommandLine;
use docxy::command;
use docxy::config::Config;
use docxy::config::load::load;
use docxy::http::uri::Scheme;
use docxy::limits::shortage::Shortage;
use docxy::log::{Format, Level, Log};
use docxy::panics;
use docxy::reload::Reloader;
use docxy::reload::faults::Faults;
use docxy::reload::in_use::InUse;
use docxy::selfmade::keeper::Keeper;
use docxy::server::started::{Bound, Running};
use docxy::server::{self, Ended};
use docxy::serving::Serving;
use docxy::start;
use docxy::tls::files::TlsFiles;
use docxy::tls::watch::Watch;
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};

/// The exit code for bad usage.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let line = match CommandLine::from_process() {
        Ok(line) => line,
        // How it is to be said would be on that line.
        Err(why) => return fail(Log::new(Level::Error, Format::Text), &why, USAGE),
    };
    let config = match load(&line) {
        Ok(config) => config,
        Err(error) => {
            let code = if error.is_usage() { USAGE } else { 1 };
            return fail(Log::new(Level::Error, error.format), &error, code);
        }
    };
    let log = Log::new(config.log, config.log_format);
    for warning in line.warnings() {
        log.warning(format_args!("{warning}"));
    }
    let done = match &line.command {
        Some(command) => command::run(command, &config),
        None => run(line, config, log),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(log, &*error, 1),
    }
}

/// Says why docxy ends. The exit code tells it too, where nobody can be told.
fn fail(log: Log, error: &dyn Display, code: u8) -> ExitCode {
    log.failure(format_args!("{error}"));
    ExitCode::from(code)
}

fn run(line: CommandLine, config: Config, log: Log) -> Result<(), Box<dyn Error>> {
    start::raise_descriptor_limit();
    let (mut passed, unused) = start::passed(&config);
    for warning in unused {
        log.warning(format_args!("{warning}"));
    }
    let start::Shown {
        acceptor,
        files,
        keeper,
        acme,
    } = start::certificates(&config)?;
    let bound = start::bind(&config, acceptor.as_ref(), &mut passed)?;
    let admin = start::bind_admin(&config, &mut passed)?;
    let admin_at: Vec<_> = admin.iter().flat_map(TcpListener::local_addr).collect();
    let metrics = start::metrics(&config, acceptor.as_ref());
    let ca = keeper.as_ref().map(|keeper| keeper.ca_pem().to_owned());
    let running = start::workers(&config, ca, log, metrics, admin)?;
    panics::tell(log);
    let ways_to_acme = acme.as_ref().map(Acme::ways);
    if let Some(acme) = acme {
        let started = acme.start(running.stop.clone(), log);
        started.map_err(|error| Shortage::of("what renews the certificate by ACME", error))?;
    }
    tell_of_settings(&config, &files, &running.serving, log);
    let say = move |line: &str| log.notice(format_args!("{line}"));
    if let Some(keeper) = &keeper {
        tell_of_ca(keeper, &bound, say)?;
    }
    let certificate_names = keeper.as_ref().map(Keeper::renames);
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Shortage::of("what accepts connections", error))?;
    if let Some(keeper) = keeper {
        runtime.spawn(keeper.keep(say));
    }
    let in_use = InUse {
        passwords: Watch::new(running.serving.password_files()),
        line,
        config,
        serving: running.serving.clone(),
        files,
        faults: Faults::default(),
        certificate_names,
        ways_to_acme,
        log,
        metrics,
    };
    let reloader =
        Reloader::start(in_use).map_err(|error| Shortage::of("what reads files anew", error))?;
    for address in admin_at {
        log.notice(format_args!("metrics at http://{address}/metrics"));
    }
    runtime.block_on(serve(bound, running, reloader))
}

/// Says what of the settings may not be meant, and which ways lead out.
fn tell_of_settings(config: &Config, files: &TlsFiles, serving: &Serving, log: Log) {
    let of_files = files.warnings(SystemTime::now());
    let warnings = config.warnings().into_iter().chain(of_files);
    for warning in warnings.chain(serving.warnings()) {
        log.warning(format_args!("{warning}"));
    }
    for way in config.ways() {
        log.notice(format_args!("{way}"));
    }
}

/// Says what to do on the engines' machines where docxy has made its certificate.
fn tell_of_ca(keeper: &Keeper, bound: &[Bound], say: impl Fn(&str)) -> io::Result<()> {
    if let Some(https) = bound.iter().find(|bound| bound.scheme == Scheme::Https) {
        let lines = keeper.lines(https.tcp.local_addr()?.port());
        lines.iter().for_each(|line| say(line));
    }
    Ok(())
}

async fn serve(
    bound: Vec<Bound>,
    running: Running,
    reloader: Reloader,
) -> Result<(), Box<dyn Error>> {
    let log = running.log;
    let hear = |kind| signal(kind).map_err(|error| Shortage::of("what hears signals", error));
    let mut terminate = hear(SignalKind::terminate())?;
    let mut interrupt = hear(SignalKind::interrupt())?;
    let mut hangup = hear(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            reloader.request();
        }
    });
    // Only now, when a signal is heard, does whoever waits for this line learn that docxy runs.
    for Bound {
        tcp,
        scheme,
        proxy_protocol,
        ..
    } in &bound
    {
        let (mark, scheme) = (if *proxy_protocol { "proxy+" } else { "" }, scheme.as_str());
        let at = tcp.local_addr()?;
        log.notice(format_args!("listening on {mark}{scheme}://{at}"));
    }
    let next_signal = async || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let serving = running.serving.clone();
    if server::run(bound, running, || serving.drain(), next_signal).await? == Ended::CutShort {
        log.notice(format_args!(
            "stopped while transfers were running; see --drain"
        ));
    }
    Ok(())
}
