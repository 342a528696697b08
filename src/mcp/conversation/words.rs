//! Why a server is not what it should be, in words for its owner.

use crate::mcp;

/// Why asking failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No connection.
    #[error("{0}")]
    Unreachable(String),
    /// Nothing within the time limit.
    #[error("it did not answer within {0} s")]
    Slow(u64),
    /// It wants another credential than ours, or one at all.
    #[error("it answered with status {0}: it wants another credential")]
    Unauthorized(u16),
    /// It leads elsewhere; credentials are never sent along.
    #[error("it redirects elsewhere (status {0}): register the address that it leads to")]
    Redirects(u16),
    /// A status that says no.
    #[error("it answered with status {0}")]
    Status(u16),
    /// It broke off, or what it says is no answer.
    #[error("its answer broke off, or is no JSON-RPC")]
    Garbage,
    /// More than we read.
    #[error("its answers are larger than {0} MB")]
    TooLarge(usize),
    /// A description larger than we keep.
    #[error("it describes one of its tools, prompts or resources in more than {0} kB")]
    Wordy(usize),
    /// It answers, and not as an MCP server does.
    #[error("something answers there, and it is no MCP server")]
    NotMcp,
    /// A JSON-RPC error.
    #[error("it answered with error {code}: {message}")]
    Refused {
        /// The code.
        code: i64,
        /// Its own words, cut and without control characters.
        message: String,
    },
    /// Pages without end.
    #[error("its {0} has pages without end")]
    Endless(&'static str),
    /// More entries than we keep.
    #[error("it lists more than {0} tools, prompts and resources")]
    TooMany(usize),
    /// A failure while it listed something.
    #[error("{0}: {1}")]
    During(&'static str, String),
}

impl Failure {
    /// Whether it would answer somebody with another credential.
    pub fn wants_credential(&self) -> bool {
        matches!(self, Self::Unauthorized(_))
    }
}

impl Failure {
    /// Whether another way of speaking could not help.
    pub(super) fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_) | Self::Slow(_) | Self::Unauthorized(_) | Self::Redirects(_)
        )
    }

    pub(in crate::mcp) fn during(self, method: &'static str) -> Self {
        match self {
            // Wanting another credential is a state of its own, whatever it is wanted for.
            Self::Unauthorized(_) => self,
            other => Self::During(method, other.to_string()),
        }
    }

    /// A JSON-RPC error's own words are its server's to choose.
    pub(super) fn refused(code: i64, message: &str) -> Self {
        let plain = message.chars().filter(|c| !c.is_control()).take(200).collect();
        Self::Refused { code, message: plain }
    }

    /// From a failure of the exchange itself.
    pub(super) fn of(error: &mcp::Error, within: u64) -> Self {
        match error {
            mcp::Error::Unresolved(_) | mcp::Error::Forbidden(_) => Self::Unreachable(error.to_string()),
            mcp::Error::Slow => Self::Slow(within),
            mcp::Error::Unusable => Self::Garbage,
            mcp::Error::Unreachable(source) => Self::Unreachable(connection(source.as_ref())),
        }
    }
}

/// Which of two ways' failures says more: one that came from an MCP server, or at least from a server.
pub(super) fn more_telling(one: Failure, other: Failure) -> Failure {
    let weight = |failure: &Failure| match failure {
        Failure::Refused { .. } | Failure::TooLarge(_) => 3,
        Failure::Status(status) if *status >= 500 => 2,
        Failure::Garbage | Failure::NotMcp => 1,
        _ => 0,
    };
    if weight(&other) > weight(&one) { other } else { one }
}

/// Nothing more is known.
const UNKNOWN: &str = "it cannot be reached";

/// What went wrong with a connection, from the innermost cause that is known.
fn connection(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = Some(error);
    let mut words = UNKNOWN.to_owned();
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            // Such an error may wrap another, and names as its source only what is behind that one.
            if let Some(inner) = io.get_ref() {
                let told = connection(inner);
                if told != UNKNOWN {
                    return told;
                }
            }
            words = match io.kind() {
                std::io::ErrorKind::ConnectionRefused => {
                    "nobody listens there (connection refused)".to_owned()
                }
                std::io::ErrorKind::ConnectionReset
                | std::io::ErrorKind::UnexpectedEof
                | std::io::ErrorKind::BrokenPipe => "it closed the connection before it answered".to_owned(),
                std::io::ErrorKind::TimedOut => "it cannot be reached in time".to_owned(),
                _ => words,
            };
        }
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return certificate(tls);
        }
        if error
            .to_string()
            .contains("connection closed before message completed")
        {
            "it closed the connection before it answered".clone_into(&mut words);
        }
        cause = error.source();
    }
    words
}

fn certificate(error: &rustls::Error) -> String {
    use rustls::CertificateError as Fault;
    let words = match error {
        rustls::Error::InvalidCertificate(Fault::Expired | Fault::ExpiredContext { .. }) => {
            "its certificate has expired"
        }
        rustls::Error::InvalidCertificate(Fault::NotValidForName | Fault::NotValidForNameContext { .. }) => {
            "its certificate is for another name"
        }
        rustls::Error::InvalidCertificate(Fault::UnknownIssuer) => {
            "its certificate is of an authority that nobody here trusts"
        }
        rustls::Error::InvalidCertificate(_) => "its certificate cannot be used",
        _ => "it does not speak TLS as it should",
    };
    words.to_owned()
}
