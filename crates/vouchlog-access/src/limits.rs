//! Every bound of the layer, with its reason.

use std::ops::RangeInclusive;
use std::time::Duration;

/// The longest access file. A thousand principals take about a quarter of it.
pub const MAX_FILE_BYTES: usize = 1024 * 1024;

/// Principals in a file: each request is compared with every token.
pub const MAX_PRINCIPALS: usize = 1_000;

/// Tokens in a file, for the same reason.
pub const MAX_TOKENS: usize = 2_000;

/// Identity providers in a file. Each has a key set in memory.
pub const MAX_ISSUERS: usize = 16;

/// The longest name of a principal. It is in every record that the principal's telemetry becomes.
pub const MAX_NAME_BYTES: usize = 128;

/// Patterns in one list, and bytes of each. Grants are kept in the journal with each body.
pub const MAX_PATTERNS: usize = 64;
/// The longest pattern.
pub const MAX_PATTERN_BYTES: usize = 1_024;

/// The longest token that is looked at. Providers put groups into tokens, so they get long; a server's header block has 32 KiB.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// The longest document of an identity provider: its discovery document or its key set.
pub(crate) const MAX_DOCUMENT_BYTES: usize = 256 * 1024;

/// Keys of a set; providers have two to ten.
pub(crate) const MAX_KEYS: usize = 64;

/// How long a provider may take to answer, each of the two requests.
pub(crate) const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// The shortest time between two fetches of one key set, whatever tokens ask for.
pub(crate) const FETCH_INTERVAL: Duration = Duration::from_secs(30);

/// How old a key set gets before it is fetched again, so that a key the provider withdrew is forgotten.
pub(crate) const REFRESH_AFTER: Duration = Duration::from_secs(300);

/// How old a key set may be while its provider is away. After that its tokens are refused.
pub(crate) const STALE_AFTER: Duration = Duration::from_secs(3600);

/// How far a provider's clock may differ, unless the file says otherwise.
pub(crate) const CLOCK_SKEW: Duration = Duration::from_secs(30);

/// The largest clock difference that a file may allow.
pub(crate) const MAX_CLOCK_SKEW: Duration = Duration::from_secs(300);

/// Scopes that a sign-in asks for beside `openid`.
pub(crate) const MAX_SCOPES: usize = 16;

/// The longest code that a provider sends a person back with. Providers that put a sealed state into it need about 2 KiB.
pub(crate) const MAX_CODE_BYTES: usize = 4_096;

/// The longest secret of a client; it is a line of a file.
pub(crate) const MAX_SECRET_BYTES: u64 = 4_096;

/// RSA keys, in bytes of the modulus. RFC 7518 section 3.3 requires 2,048 bits; longer ones than 8,192 take long to verify with.
pub(crate) const RSA_BYTES: RangeInclusive<usize> = 256..=1_024;

/// The longest subject of a token that is recognised by its group: OpenID Connect allows 255 characters.
pub const MAX_PERSON_BYTES: usize = 255;
