//! What can be measured, and what docxy wants to reach.

/// One figure of a case.
#[derive(Clone, Debug)]
pub(crate) struct Quantity {
    /// What is measured.
    pub(crate) figure: Figure,
    /// What docxy wants to reach, if that was said.
    pub(crate) goal: Option<Goal>,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    /// CPU time per request, µs.
    CpuPerRequest,
    /// CPU time per request, as a multiple of that without a configuration file.
    OfBare,
    /// CPU time per 10⁹ bytes, s.
    CpuPerGb,
    /// Requests per second.
    Requests,
    /// The 99th percentile of latency, ms.
    P99,
    /// 10⁶ bytes per second.
    Throughput,
    /// The busiest worker's share of the CPU time, up to 1.
    Share,
    /// PSS per client, KiB.
    PerClient,
    /// The most resident memory, MB.
    Peak,
    /// Time to the first answer, ms.
    FirstAnswer,
    /// PSS at rest, MB.
    Idle,
    /// Size of the executable file, MB.
    Executable,
}

impl Figure {
    /// With its unit, as in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Figure::CpuPerRequest => "CPU, µs/request",
            Figure::OfBare => "CPU ÷ without a file",
            Figure::CpuPerGb => "CPU, s/GB",
            Figure::Requests => "requests/s",
            Figure::P99 => "p99, ms",
            Figure::Throughput => "MB/s",
            Figure::Share => "busiest worker's share",
            Figure::PerClient => "KiB/client",
            Figure::Peak => "most resident, MB",
            Figure::FirstAnswer => "to the first answer, ms",
            Figure::Idle => "idle, MB of PSS",
            Figure::Executable => "executable, MB",
        }
    }
}

/// What docxy's figure is held against.
#[derive(Clone, Debug)]
pub(crate) enum Goal {
    /// At most so many times nginx's.
    OfNginx(f64),
    /// At least so many times nginx's.
    OverNginx(f64),
    /// At most so much.
    AtMost(f64),
    /// At most so many times docxy's own in the case of this name.
    OfCase(f64, &'static str),
    /// Between the inverse of this and this times docxy's own in the case of this name.
    Flat(f64, &'static str),
}
