//! Kind `s3`: Amazon S3 and compatible services, through OpenDAL.

use std::path::PathBuf;

use clap::Args;
use opendal::services;
use serde::{Deserialize, Serialize};

use super::{
    Account, Error, NeededSecret, NewSecret, Person, Problem, Remote, RemoteKind, RemoteOptions,
    given,
};
use crate::upload::given::ServiceName;
use crate::upload::objects::{Condition, Objects};
use crate::upload::paths::Paths;
use crate::upload::rules::Rules;

/// Amazon S3, or a compatible service
#[derive(Debug, Clone, PartialEq, Eq, Args, Serialize, Deserialize)]
#[command(override_usage = "rescue remote add <NAME> s3 [OPTIONS] --access-key-id <ID> <BUCKET>")]
pub(crate) struct S3Settings {
    /// The bucket; must exist
    bucket: String,
    /// The service's address [default: Amazon's]
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// The region
    #[arg(long, default_value = "us-east-1")]
    region: String,
    /// The access key's id (the secret one is asked for)
    #[arg(long, value_name = "ID")]
    access_key_id: String,
    /// Folder of the bucket to upload into
    #[arg(long, value_name = "FOLDER", default_value = "")]
    #[serde(default, skip_serializing_if = "String::is_empty")]
    path: String,
    /// PEM file with more certificates to trust
    #[arg(long = "ca-file", value_name = "FILE")]
    certificates: Option<PathBuf>,
}

impl RemoteOptions for S3Settings {
    type Settings = Self;

    async fn set_up(self, _: &impl Person) -> Result<(Self, NewSecret), Error> {
        let settings = Self {
            bucket: ServiceName::Bucket.checked(&self.bucket)?,
            region: ServiceName::Region.checked(&self.region)?,
            access_key_id: ServiceName::AccessKeyId.checked(&self.access_key_id)?,
            endpoint: self.endpoint.as_deref().map(given::address).transpose()?,
            path: given::inside(&self.path),
            certificates: given::file(self.certificates)?,
        };
        Ok((settings, NewSecret::AsUsual))
    }
}

impl RemoteKind for S3Settings {
    fn target(&self) -> String {
        let service = self.endpoint.as_deref().unwrap_or("Amazon S3");
        format!("{}/{} at {service}", self.bucket, self.path)
    }

    fn needed_secret(&self) -> Option<NeededSecret> {
        Some(NeededSecret::Line("secret access key"))
    }

    fn connect(&self, account: &Account) -> Result<Box<dyn Remote>, Problem> {
        let (endpoint, condition) = match &self.endpoint {
            // Amazon's own heeds it since 2024; of its like some do, and some say that they did.
            None => ("https://s3.amazonaws.com", Condition::Heeded),
            Some(endpoint) => (endpoint.as_str(), Condition::Untried),
        };
        let builder = services::S3::default()
            .bucket(&self.bucket)
            .endpoint(endpoint)
            .region(&self.region)
            .access_key_id(&self.access_key_id)
            .secret_access_key(account.password())
            .root(&self.path)
            .checksum_algorithm("crc32c")
            .disable_config_load()
            .disable_ec2_metadata();
        let objects = Objects::at(endpoint, self.certificates.as_deref(), builder, condition)?;
        Ok(Paths::boxed(objects, Rules::of_bucket(&self.path)))
    }
}
