// Keys as files: `<directory>/<key id>`, {"version", "master", "project", "nonce", "wrapped"}, hexadecimal, mode 0600.
// The secret is sealed with AES-256-GCM under HMAC-SHA256(root key, project and master), the key's id as associated
// data. The root key is 32 random bytes in a file that is made at the first start; whoever has lost it has lost every
// encrypted volume, and whoever holds it and the directory can read them.
#pragma once

#include <filesystem>
#include <string>

#include "base/mutex.h"
#include "base/rng.h"
#include "keys/key_manager.h"

namespace varve::keys {

class LocalKeys final : public KeyManager {
 public:
  // A root key is made when there is none and no key needs one: neither one in the directory, nor, when is_needed, one
  // that somebody knows of. One that is missing or damaged makes create() and secret() throw Error(Unavailable) until
  // it is there.
  LocalKeys(std::filesystem::path directory, std::filesystem::path root_key, bool is_needed, Rng& rng);

  void create(const KeyId& id, const ProjectId& project, const std::string& master) override;
  std::string secret(const KeyId& id) override;
  void remove(const KeyId& id) override;

 private:
  std::filesystem::path file(const KeyId& id) const;
  std::string root() const;
  std::string master_key(const std::string& project, const std::string& master) const;

  const std::filesystem::path directory_;
  const std::filesystem::path root_key_;
  Rng& rng_;
  mutable Mutex mutex_;
  mutable std::string root_ VARVE_GUARDED_BY(mutex_);
};

}  // namespace varve::keys
