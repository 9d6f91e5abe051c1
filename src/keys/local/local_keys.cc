#include "keys/local/local_keys.h"

#include <algorithm>
#include <boost/json.hpp>

#include "base/cipher.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "base/text.h"

namespace varve::keys {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {
constexpr std::size_t kSecretBytes = 32;

std::string random(Rng& rng, std::size_t bytes) {
  std::string out(bytes, '\0');
  rng.fill(out.data(), out.size());
  return out;
}

bool has_keys(const fs::path& directory) {
  return std::ranges::any_of(files::list(directory),
                             [](const fs::path& path) { return is_uuid(path.filename().string()); });
}

}  // namespace

LocalKeys::LocalKeys(fs::path directory, fs::path root_key, bool is_needed, Rng& rng)
    : directory_(std::move(directory)), root_key_(std::move(root_key)), rng_(rng) {
  files::make_directory(directory_);
  // Behind a new root key those that the old one wrapped would be lost; perhaps only its disk is not mounted.
  if (!is_needed && !files::exists(root_key_) && !has_keys(directory_)) {
    files::make_directory(root_key_.parent_path());
    files::replace_atomically(root_key_, random(rng_, kSecretBytes));
  }
  try {
    root();
  } catch (const Error& fault) {
    log::error("no encrypted volume can be opened", {{"error", fault.message()}});
  }
}

// Read when it is there for the first time.
std::string LocalKeys::root() const {
  MutexLock lock(mutex_);
  if (!root_.empty()) return root_;
  std::string read;
  try {
    read = files::read(root_key_);
  } catch (const Error& fault) {
    log::debug("the root key", {{"error", fault.message()}});
    throw Error(ErrorCode::Unavailable, "the root key cannot be read");
  }
  if (read.size() != kSecretBytes) throw Error(ErrorCode::Unavailable, "the root key must have 32 bytes");
  return root_ = read;
}

fs::path LocalKeys::file(const KeyId& id) const {
  if (!is_uuid(id.str())) throw Error(ErrorCode::NotFound, "there is no key " + id.str());
  return directory_ / id.str();
}

std::string LocalKeys::master_key(const std::string& project, const std::string& master) const {
  return from_hex(hmac_sha256_hex(root(), "varve master key\n" + project + "\n" + master));
}

void LocalKeys::create(const KeyId& id, const ProjectId& project, const std::string& master) {
  if (fs::exists(file(id))) return;
  std::string nonce = random(rng_, kNonceBytes);
  std::string wrapped = seal(master_key(project.str(), master), nonce, id.str(), random(rng_, kSecretBytes));
  json::object out{{"version", 1},
                   {"project", project.str()},
                   {"master", master},
                   {"nonce", to_hex(nonce)},
                   {"wrapped", to_hex(wrapped)}};
  files::replace_atomically(file(id), json::serialize(out) + "\n");
}

std::string LocalKeys::secret(const KeyId& id) {
  fs::path path = file(id);
  if (!files::exists(path)) throw Error(ErrorCode::BackendFailed, "the key " + id.str() + " is missing");
  std::string wrapped;
  std::string nonce;
  std::string master;
  try {
    json::object in = json::parse(files::read(path)).as_object();
    master = master_key(std::string(in.at("project").as_string()), std::string(in.at("master").as_string()));
    nonce = from_hex(in.at("nonce").as_string());
    wrapped = from_hex(in.at("wrapped").as_string());
  } catch (const Error&) {
    throw;
  } catch (const std::exception& fault) {  // a damaged file: no JSON, or another one
    log::error("a key is damaged", {{"key", id}, {"error", fault.what()}});
    throw Error(ErrorCode::BackendFailed, "the key " + id.str() + " is damaged");
  }
  return open_sealed(master, nonce, id.str(), wrapped);
}

void LocalKeys::remove(const KeyId& id) {
  files::remove_durably(file(id));
}

}  // namespace varve::keys
