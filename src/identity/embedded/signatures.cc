#include "identity/embedded/signatures.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/log.h"
#include "base/parse_time.h"
#include "base/text.h"
#include "identity/embedded/embedded_identity.h"

namespace varve::identity {

namespace {

constexpr std::size_t kMaxSeen = 100000;
constexpr std::chrono::minutes kSkew{15};

[[noreturn]] void bad_signature(const std::string& why) {
  throw Error(ErrorCode::Unauthorized, "The request's signature is not good: " + why + ".");
}

}  // namespace

bool SeenSignatures::add(const std::string& signature, Timestamp now, Timestamp until) {
  MutexLock lock(mutex_);
  if (seen_.size() >= kMaxSeen) {
    std::erase_if(seen_, [&](const auto& entry) { return entry.second < now; });
    if (seen_.size() >= kMaxSeen) throw Error(ErrorCode::TooManyRequests, "Too many signed requests; try again later.");
  }
  return seen_.emplace(signature, until).second;
}

std::optional<Timestamp> parse_signing_date(std::string_view text) {
  if (text.size() != 16 || text[8] != 'T' || text[15] != 'Z') return std::nullopt;
  std::string plain(text);
  std::string iso = plain.substr(0, 4) + "-" + plain.substr(4, 2) + "-" + plain.substr(6, 2) + "T" +
                    plain.substr(9, 2) + ":" + plain.substr(11, 2) + ":" + plain.substr(13, 2);
  return parse_time(iso);
}

boost::asio::awaitable<std::shared_ptr<const Identity>> EmbeddedIdentity::authenticate_signature(
    SignedRequest request) {
  std::optional<Timestamp> date = parse_signing_date(request.date);
  if (!date) bad_signature("X-Sdk-Date must be like 20260131T235959Z");
  Timestamp now = clock_.now();
  if (*date < now - kSkew || *date > now + kSkew) bad_signature("X-Sdk-Date is more than 15 minutes away from now");
  std::string to_sign = "SDK-HMAC-SHA256\n" + request.date + "\n" + sha256_hex(request.canonical);
  std::shared_ptr<const Identity> identity = co_await db_.read([&](store::Transaction& tx) {
    std::optional<model::AccessKey> key = tx.identities().find<model::AccessKey>(request.access_key);
    std::string expected = hmac_sha256_hex(key ? key->secret : "", to_sign);
    if (!equal_constant_time(expected, request.signature) || !key || !key->active) {
      bad_signature("the key is unknown or inactive, or something else was signed");
    }
    TokenClaims claims;
    claims.id = "access-key-" + key->id;
    claims.user_id = key->user_id.str();
    claims.project_id = request.project_id;
    if (claims.project_id.empty()) {
      std::optional<model::User> user = tx.identities().find<model::User>(key->user_id.str());
      claims.project_id = user ? user->default_project_id.value_or(ProjectId()).str() : "";
    }
    claims.issued_at = now;
    claims.expires_at = now + kSkew;
    claims.methods = {"hmac"};
    return resolve(tx, claims);
  });
  if (request.changes && !seen_.add(request.access_key + request.signature, now, *date + kSkew)) {
    bad_signature("it was used already");
  }
  co_return identity;
}

}  // namespace varve::identity
