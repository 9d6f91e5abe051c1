#include "keys/local/local_keys.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/error.h"
#include "base/files.h"

namespace varve::keys {
namespace {

namespace fs = std::filesystem;

class LocalKeysTest : public testing::Test {
 protected:
  LocalKeysTest() {
    char pattern[] = "/tmp/varve-keys-XXXXXX";
    directory_ = mkdtemp(pattern);
    root_ = directory_ / "root.key";
  }
  ~LocalKeysTest() override { fs::remove_all(directory_); }

  fs::path directory_;
  fs::path root_;
  SystemRng rng_;
  KeyId key_{"11111111-1111-4111-8111-111111111111"};
};

TEST_F(LocalKeysTest, AMissingRootKeyIsNotReplacedWhileKeysNeedIt) {
  std::string secret;
  {
    LocalKeys keys(directory_ / "keys", root_, false, rng_);
    keys.create(key_, ProjectId("p"), "m");
    secret = keys.secret(key_);
  }
  fs::rename(root_, directory_ / "elsewhere");
  {
    LocalKeys keys(directory_ / "keys", root_, false, rng_);
    EXPECT_FALSE(fs::exists(root_));
    EXPECT_THROW(keys.secret(key_), Error);
    EXPECT_THROW(keys.create(KeyId("22222222-2222-4222-8222-222222222222"), ProjectId("p"), "m"), Error);
  }
  fs::rename(directory_ / "elsewhere", root_);
  LocalKeys keys(directory_ / "keys", root_, false, rng_);
  EXPECT_EQ(keys.secret(key_), secret);
}

TEST_F(LocalKeysTest, ADamagedRootKeyIsTheTroubleOfWhatIsEncrypted) {
  files::replace_atomically(root_, "short");
  LocalKeys keys(directory_ / "keys", root_, false, rng_);
  EXPECT_THROW(keys.create(key_, ProjectId("p"), "m"), Error);
  EXPECT_EQ(files::read(root_), "short");
}

}  // namespace
}  // namespace varve::keys
