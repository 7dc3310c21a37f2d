//! A vault's RPCs: calls without credentials, by a user about what it may not, messages that are no messages or too long, methods that there
//! are none of, and calls that are held, slow or many.

use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use tokio::time::{Instant, timeout_at};

use super::grpc::{
    CALLERS, REFLECTION, connected, hold, message, no_protobuf, pour, refused, request, status, watch,
};
use super::zipped::bomb;
use crate::attack::{Attack, Context, Observation, Target};

const CLASS: &str = "vault-grpc";
/// Calls at a time on one connection: what the server allows.
const CALLS: usize = 32;
/// A little less than the longest message that the server takes, which is 256 KiB.
const LONG: usize = 262_000;
/// Between two bytes of a slow message.
const SLOW: Duration = Duration::from_millis(500);
/// A caller that is not known, and a server that is too busy to find out: exhausted, unavailable, unauthenticated.
const UNKNOWN_CALLER: &[u16] = &[8, 14, 16];
/// What a user may not do, or does not find: invalid, not found, denied, exhausted, failed precondition, unavailable.
const FORBIDDEN: &[u16] = &[3, 5, 7, 8, 9, 14];

/// Methods that read, that change the vault and that destroy, each with a message that a caller with every right could send.
const METHODS: [(&str, &[u8]); 10] = [
    ("FindRecords", b""),
    ("ListSessions", b""),
    ("OpenSession", b"\x12\x11default-session-1"),
    ("ShowRecord", b"\x12\x09default-1"),
    ("Export", b"\x10\x01\x18\x01"),
    ("Erase", b"\x1a\x04none"),
    ("CountRecords", b""),
    ("ListPrincipals", b""),
    ("SetRetention", b"\x0a\x04evil\x10\x01"),
    ("GrantPrincipal", b"\x0a\x06evil-2\x12\x05admin"),
];

pub(super) fn attacks() -> Vec<Attack> {
    [nobody(), forbidden(), malformed(), framed(), held(), floods()].concat()
}

/// Whether an attack brings the token of a user.
#[derive(Clone, Copy, Debug)]
enum Caller {
    User,
    Nobody,
}

impl Caller {
    fn authorization(self, context: &Context) -> Option<String> {
        match self {
            Self::User => Some(format!("Bearer {}", context.token.as_deref().unwrap_or_default())),
            Self::Nobody => None,
        }
    }
}

fn path(method: &str) -> String {
    format!("/vouchlog.vault.v1.Vault/{method}")
}

/// A call without its body.
fn call(method: &str, authorization: Option<&str>) -> Result<Request<()>> {
    let fields: Vec<_> = authorization.map(|value| ("authorization", value)).into_iter().collect();
    request(&path(method), &fields)
}

/// One call with a whole body, which must fail with one of these codes.
fn refusal(name: &str, (path, caller): (String, Caller), body: Vec<u8>, codes: &'static [u16]) -> Attack {
    Attack::repeated(CLASS, format!("{CLASS}: {name}"), Target::Vault, move |context: Context| {
        let (path, body) = (path.clone(), body.clone());
        async move {
            let bearer = caller.authorization(&context);
            let fields: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
            refused(&context, &path, &fields, (body.into(), codes)).await
        }
    })
}

fn lasting<F, R>(name: &str, run: F) -> Attack
where
    F: Fn(Context) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Observation>> + Send + 'static,
{
    Attack::lasting(CLASS, format!("{CLASS}: {name}"), Target::Vault, run)
}

/// Without a token, or with one of no principal.
fn nobody() -> Vec<Attack> {
    let without = METHODS.map(|(method, asked)| {
        let name = format!("{method} without credentials");
        refusal(&name, (path(method), Caller::Nobody), message(0, asked), UNKNOWN_CALLER)
    });
    let forged = ["Bearer", "Bearer vouchlog-vault-", "Bearer none", "Basic ZXZpbDpldmls", "none"];
    let forged = forged.map(|value| {
        Attack::repeated(
            CLASS,
            format!("{CLASS}: the credentials `{value}`"),
            Target::Vault,
            move |context: Context| async move {
                let body = message(0, b"").into();
                let fields = [("authorization", value)];
                refused(&context, &path("FindRecords"), &fields, (body, UNKNOWN_CALLER)).await
            },
        )
    });
    // Not read at all: the caller is recognised before.
    let unread = refusal(
        "no protobuf without credentials",
        (path("FindRecords"), Caller::Nobody),
        message(0, &[0x0b; 10_000]),
        UNKNOWN_CALLER,
    );
    [&without[..], &forged, &[unread]].concat()
}

/// A user's calls about another tenant and about the vault itself.
fn forbidden() -> Vec<Attack> {
    let calls: [(&str, &[u8]); 6] = [
        ("FindRecords", b"\x0a\x07default"),
        ("ListSessions", b"\x0a\x07default"),
        ("OpenSession", b"\x0a\x07default\x12\x11default-session-1"),
        ("ShowRecord", b"\x0a\x07default\x12\x09default-1"),
        ("ListPrincipals", b""),
        ("GrantPrincipal", b"\x0a\x04evil\x12\x05admin"),
    ];
    let calls = calls.map(|(method, asked)| {
        let name = format!("{method} by a user who may not");
        refusal(&name, (path(method), Caller::User), message(0, asked), FORBIDDEN)
    });
    calls.into()
}

/// What is no message of the method, by a user.
fn malformed() -> Vec<Attack> {
    let mut all = Vec::new();
    for method in ["FindRecords", "Erase", "GrantPrincipal"] {
        let case = |name: &str, bytes: &[u8]| {
            let name = format!("{name} to {method}");
            refusal(&name, (path(method), Caller::User), message(0, bytes), CALLERS)
        };
        all.extend(no_protobuf().iter().map(|(name, bytes)| case(name, bytes)));
        // Field 15 of none of them: a filter that was skipped would widen what is done.
        all.push(case("an unknown field", &[0x78, 0x01]));
        // 131,000 empty strings, each of which would be allocated.
        all.push(case("a hundred thousand fields", &[0x1a, 0x00].repeat(LONG / 2)));
    }
    all
}

/// What is wrong around the message, or too long.
fn framed() -> Vec<Attack> {
    let find = || path("FindRecords");
    let by_user =
        |name: &str, path: String, body: Vec<u8>| refusal(name, (path, Caller::User), body, CALLERS);
    let endless = [&[0][..], &u32::MAX.to_be_bytes(), &[0; 64]].concat();
    let zipped = |name: &str, encoding: &'static str, bytes: Vec<u8>| {
        Attack::repeated(CLASS, format!("{CLASS}: {name}"), Target::Vault, move |context: Context| {
            let body = message(1, &bytes);
            async move {
                let bearer = Caller::User.authorization(&context).unwrap_or_default();
                let fields = [("authorization", bearer.as_str()), ("grpc-encoding", encoding)];
                refused(&context, &path("FindRecords"), &fields, (body.into(), CALLERS)).await
            }
        })
    };
    vec![
        by_user("a message of 4 GiB, announced to a vault", find(), endless.clone()),
        refusal("the same by a stranger", (find(), Caller::Nobody), endless, UNKNOWN_CALLER),
        by_user("a message of 1 MiB", find(), message(0, &vec![0x0a; 1 << 20])),
        by_user("a message of 16 MiB", find(), message(0, &vec![0x0a; 16 << 20])),
        by_user("a message that ends early at a vault", find(), vec![0, 0, 0, 0, 9, 1]),
        by_user("no message to a vault", find(), Vec::new()),
        by_user("a compressed flag of 7 at a vault", find(), message(7, b"")),
        zipped("zeros, 64 MiB before they were compressed", "gzip", bomb(64 << 20)),
        zipped("compressed by zpaq", "zpaq", vec![1]),
        by_user("an unknown method", path("DropTable"), message(0, b"")),
        by_user("a method of a log", "/vouchlog.v1.Gateway/Append".to_owned(), message(0, b"")),
        by_user("an unknown service", "/evil.Service/Run".to_owned(), message(0, b"")),
        by_user("a path with .. at a vault", path("../../vault.key"), message(0, b"")),
        refusal(
            "an unknown method by a stranger",
            (path("DropTable"), Caller::Nobody),
            message(0, b""),
            CALLERS,
        ),
    ]
}

/// Messages that lack their last bytes, or come a byte at a time, on as many calls as a connection takes.
fn held() -> Vec<Attack> {
    let case = |name: &str, bytes: usize, caller: Caller, pause: Option<Duration>| {
        lasting(name, move |context| async move {
            let call = call("FindRecords", caller.authorization(&context).as_deref())?;
            hold(&context, call, (bytes, pause), (context.scale(32, 4), CALLS)).await
        })
    };
    let at = |name: &str, path: &'static str| {
        lasting(name, move |context| async move {
            hold(&context, request(path, &[])?, (4_100_000, None), (context.scale(8, 2), CALLS)).await
        })
    };
    vec![
        case("partial messages by a user", LONG, Caller::User, None),
        case("partial messages by strangers", LONG, Caller::Nobody, None),
        case("slow messages by a user", LONG, Caller::User, Some(SLOW)),
        case("slow messages by strangers", LONG, Caller::Nobody, Some(SLOW)),
        at("partial messages to a vault's reflection", REFLECTION),
        lasting("a vault's health watched by thousands", |context| async move {
            watch(&context, (context.scale(100, 12), CALLS)).await
        }),
    ]
}

fn floods() -> Vec<Attack> {
    vec![
        lasting("a flood of messages on one call", |context| async move {
            let call = call("FindRecords", Caller::User.authorization(&context).as_deref())?;
            pour(&context, call, b"").await
        }),
        lasting("a flood of messages by a stranger", |context| async move {
            pour(&context, call("FindRecords", None)?, b"").await
        }),
        lasting("a flood of questions to a vault's reflection", |context| async move {
            pour(&context, request(REFLECTION, &[])?, &[0x3a, 0x00]).await
        }),
        lasting("calls by a user on many connections", |context| async move {
            calls(&context, (context.scale(16, 8), Caller::User), &message(0, b"")).await
        }),
        lasting("calls by strangers on many connections", |context| async move {
            calls(&context, (context.scale(16, 8), Caller::Nobody), &message(0, b"")).await
        }),
    ]
}

/// Calls without a pause, as many at a time on each connection as it takes.
async fn calls(
    context: &Context,
    (connections, caller): (usize, Caller),
    body: &[u8],
) -> Result<Observation> {
    let call = call("ListSessions", caller.authorization(context).as_deref())?;
    let end = context.end();
    let callers = (0..connections).map(|number| {
        let call = &call;
        async move {
            let mut sent = 0_u64;
            while Instant::now() < end {
                // A server may refuse the connection: not to be asked without a pause.
                tokio::time::sleep(SLOW / 50).await;
                let Ok(Ok(client)) = timeout_at(end, connected(context.to, number)).await else { continue };
                sent += calls_on(client, call, body, end).await;
            }
            sent
        }
    });
    let sent = futures::future::join_all(callers).await;
    Ok(Observation::sent(sent.into_iter().sum::<u64>()))
}

/// Calls on one connection until it ends; how many.
async fn calls_on(mut client: SendRequest<Bytes>, call: &Request<()>, body: &[u8], end: Instant) -> u64 {
    let mut sent = 0;
    while Instant::now() < end {
        let mut answers = Vec::with_capacity(CALLS);
        for _ in 0..CALLS {
            let Ok(Ok(ready)) = timeout_at(end, client.clone().ready()).await else { return sent };
            client = ready;
            let Ok((answer, mut sending)) = client.send_request(call.clone(), false) else { return sent };
            let _ = sending.send_data(body.to_vec().into(), true);
            answers.push(status(answer));
            sent += 1;
        }
        let Ok(answers) = timeout_at(end, futures::future::join_all(answers)).await else { return sent };
        if answers.iter().all(Result::is_err) {
            return sent;
        }
    }
    sent
}
