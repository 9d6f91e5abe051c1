#include <gtest/gtest.h>

#include "base/error.h"
#include "base/guess_guard.h"
#include "identity/embedded/passwords.h"
#include "identity/embedded/tokens.h"

namespace varve::identity {
namespace {

TokenClaims claims() {
  TokenClaims out;
  out.id = "t1";
  out.user_id = "u1";
  out.project_id = "p1";
  out.methods = {"password"};
  out.issued_at = Timestamp(std::chrono::microseconds(1700000000123456));
  out.expires_at = Timestamp(std::chrono::microseconds(1700000001123456));
  return out;
}

TEST(Tokens, CarryTheirClaimsAndTakeAnyKeyOfTheRing) {
  model::SigningKey old_key{"old", std::string(64, 'a'), {}};
  model::SigningKey new_key{"new", std::string(64, 'b'), {}};
  std::string token = sign_token(claims(), old_key);
  auto read = verify_token(token, {new_key, old_key});
  ASSERT_TRUE(read);
  EXPECT_EQ(read->user_id, "u1");
  EXPECT_EQ(read->project_id, "p1");
  EXPECT_EQ(read->methods, std::vector<std::string>{"password"});
  EXPECT_EQ(read->issued_at, claims().issued_at);
  EXPECT_EQ(read->expires_at, claims().expires_at);
  EXPECT_FALSE(verify_token(token, {new_key}));
}

TEST(Tokens, AreRefusedWhenOneByteIsChanged) {
  model::SigningKey key{"k", std::string(64, 'a'), {}};
  std::string token = sign_token(claims(), key);
  for (std::size_t i = 0; i + 1 < token.size(); i += 7) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(verify_token(changed, {key})) << i;
  }
}

TEST(Passwords, VerifyAndAreSalted) {
  SystemRng rng;
  std::string hash = hash_password("secret", rng);
  EXPECT_TRUE(verify_password("secret", hash));
  EXPECT_FALSE(verify_password("Secret", hash));
  EXPECT_FALSE(verify_password("secret", "nonsense"));
  EXPECT_NE(hash, hash_password("secret", rng));
}

TEST(GuessGuard, MakesAGuesserWaitLongerEachTimeAndForgivesASuccess) {
  ManualClock clock(Timestamp(std::chrono::seconds(1000)));
  GuessGuard guard(clock);
  for (int i = 0; i < 4; ++i) guard.failed("k");
  EXPECT_NO_THROW(guard.require_calm("k"));
  guard.failed("k");
  EXPECT_THROW(guard.require_calm("k"), Error);
  EXPECT_NO_THROW(guard.require_calm("other"));
  clock.advance(std::chrono::seconds(1));
  EXPECT_NO_THROW(guard.require_calm("k"));
  guard.failed("k");
  clock.advance(std::chrono::seconds(1));
  EXPECT_THROW(guard.require_calm("k"), Error);
  guard.succeeded("k");
  EXPECT_NO_THROW(guard.require_calm("k"));
}

}  // namespace
}  // namespace varve::identity
