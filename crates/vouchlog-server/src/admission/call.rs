//! What a request is, by its method and path: where it finds its place, and whether it has an end.

use http::{Method, Uri};

use super::holdings::Resource;

/// What a caller speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Rpc,
    Http,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) form: Form,
    /// Where it finds its place.
    pub(crate) place: Resource,
    /// It ends when the client or the server wants; its messages come one by one.
    pub(crate) is_stream: bool,
    /// It tells of the program's inside: metrics, details of readiness, reflection.
    pub(crate) is_inside: bool,
}

impl Call {
    /// Reads a request's head. What is not known here is a write: of a program's own routes all are.
    pub(crate) fn of(form: Form, method: &Method, uri: &Uri) -> Self {
        match form {
            Form::Rpc => Self::of_rpc(uri.path()),
            Form::Http => Self { form, ..Self::of_http(method, uri.path()) },
        }
    }

    fn of_rpc(path: &str) -> Self {
        match path {
            "/grpc.health.v1.Health/Check" => Self::unary(Resource::Operations),
            "/grpc.health.v1.Health/Watch"
            | "/vouchlog.v1.Log/WatchCheckpoints"
            | "/vouchlog.v1.Gateway/AppendStream" => Self::stream(),
            _ if path.starts_with("/grpc.reflection.") => Self { is_inside: true, ..Self::stream() },
            "/vouchlog.v1.Gateway/AppendHouse" => Self::unary(Resource::House),
            "/vouchlog.v1.Gateway/GetStream" | "/vouchlog.v1.Witness/GetLatestCheckpoint" => {
                Self::unary(Resource::Reads)
            }
            _ if path.starts_with("/vouchlog.v1.Log/") => Self::unary(Resource::Reads),
            _ => Self::unary(Resource::Appends),
        }
    }

    fn of_http(method: &Method, path: &str) -> Self {
        match path {
            "/healthz" | "/readyz" => Self::unary(Resource::Operations),
            "/metrics" => Self { is_inside: true, ..Self::unary(Resource::Operations) },
            "/add" | "/v1/statements" => Self::unary(Resource::House),
            _ if method.is_safe() => Self::unary(Resource::Reads),
            _ => Self::unary(Resource::Appends),
        }
    }

    const fn unary(place: Resource) -> Self {
        Self { form: Form::Rpc, place, is_stream: false, is_inside: false }
    }

    const fn stream() -> Self {
        Self { form: Form::Rpc, place: Resource::Streams, is_stream: true, is_inside: false }
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::*;

    /// A method that is added to a service must not be taken for one that ends when it does not.
    #[test]
    fn streams_are_those_that_the_services_declare() {
        for set in crate::services::DESCRIPTORS {
            for file in FileDescriptorSet::decode(set).unwrap().file {
                for (service, method) in
                    file.service.iter().flat_map(|s| s.method.iter().map(move |m| (s, m)))
                {
                    let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                    let call = Call::of(Form::Rpc, &Method::POST, &path.parse().unwrap());
                    let is_stream = method.client_streaming() || method.server_streaming();
                    assert_eq!(call.is_stream, is_stream, "{path}");
                    assert_eq!(call.place == Resource::Streams, is_stream, "{path}");
                }
            }
        }
    }

    #[test]
    fn reads_and_writes_are_told_apart() {
        let of = |method: Method, path: &str| Call::of(Form::Http, &method, &path.parse().unwrap()).place;
        assert_eq!(of(Method::GET, "/checkpoint"), Resource::Reads);
        assert_eq!(of(Method::HEAD, "/tile/0/000"), Resource::Reads);
        assert_eq!(of(Method::POST, "/add?wait=witnessed"), Resource::House);
        assert_eq!(of(Method::POST, "/v1/gateways"), Resource::Appends);
        assert_eq!(of(Method::GET, "/healthz"), Resource::Operations);
    }
}
