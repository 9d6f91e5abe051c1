// Identity by a Keystone that runs elsewhere (Identity API v3). Each token is shown to it with the token of a service
// user, and the answer kept for `cache` at most: so long a revocation can go unnoticed.
//
// Any thread. Calls to Keystone run on threads of their own.
// Errors: Unauthorized for a token that Keystone does not know, Unavailable when it does not answer.
#pragma once

#include <string>
#include <unordered_map>

#include "base/mutex.h"
#include "base/offload.h"
#include "http/client.h"
#include "identity/authenticator.h"

namespace varve::identity {

struct KeystoneConfig {
  std::string url;  // "https://keystone:5000/v3"
  std::string username;
  std::string password;
  std::string project;
  std::string user_domain = "Default";
  std::string project_domain = "Default";
  std::string service_role = "service";  // whose token lets an expired user's token pass (X-Service-Token)
  std::chrono::seconds cache{30};        // 0: every request asks
  http::ClientConfig client;
};

class KeystoneIdentity final : public Authenticator {
 public:
  KeystoneIdentity(Clock& clock, Offload& calls, KeystoneConfig config)
      : clock_(clock), calls_(calls), config_(std::move(config)), client_(config_.client) {}

  boost::asio::awaitable<std::shared_ptr<const Identity>> authenticate(std::string token,
                                                                       std::string service_token) override;
  // Access keys are of the embedded identity: Error(Unauthorized).
  boost::asio::awaitable<std::shared_ptr<const Identity>> authenticate_signature(SignedRequest request) override;

  // The service user's own token, renewed before it ends. Blocks.
  std::string service_token();

 private:
  struct Cached {
    std::shared_ptr<const Identity> identity;
    std::chrono::steady_clock::time_point until;
  };

  std::shared_ptr<const Identity> cached(const std::string& key);
  void keep(const std::string& key, const std::shared_ptr<const Identity>& identity);
  std::shared_ptr<const Identity> validate(const std::string& token, const std::string& service_token);
  std::shared_ptr<const Identity> ask(const std::string& token, bool allow_expired);
  std::string login();

  Clock& clock_;
  Offload& calls_;
  const KeystoneConfig config_;
  const http::Client client_;

  Mutex mutex_;
  std::unordered_map<std::string, Cached> cache_ VARVE_GUARDED_BY(mutex_);  // by the hash of the token
  std::string own_token_ VARVE_GUARDED_BY(mutex_);
  Timestamp own_token_ends_ VARVE_GUARDED_BY(mutex_);
};

}  // namespace varve::identity
