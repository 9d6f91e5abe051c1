#include "daemon/config.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "base/files.h"

namespace varve::daemon {
namespace {

std::string fault_of(const std::vector<std::string>& overrides) {
  try {
    load_config("", overrides);
  } catch (const Error& fault) {
    return fault.message();
  }
  return "";
}

TEST(Config, HasDefaultsForEverything) {
  Config config = load_config("", {});
  EXPECT_EQ(config.http.port, 8776);
  EXPECT_EQ(config.http.address, "127.0.0.1");
  EXPECT_EQ(config.run_directory, config.directory / "run");
}

TEST(Config, TakesOverridesWithAndWithoutQuotes) {
  Config config = load_config("", {"http.port=0", "log.level=debug", "volumes.availability_zones=[\"a\", \"b\"]"});
  EXPECT_EQ(config.http.port, 0);
  EXPECT_EQ(config.log_level, log::Level::Debug);
  EXPECT_EQ(config.services.availability_zones, (std::vector<std::string>{"a", "b"}));
}

TEST(Config, NamesWhatIsWrong) {
  EXPECT_NE(fault_of({"http.prot=1"}).find("unknown key 'http.prot'"), std::string::npos);
  EXPECT_NE(fault_of({"http.port=99999"}).find("http.port must be between"), std::string::npos);
  EXPECT_NE(fault_of({"http.port=\"x\""}).find("http.port must be a whole number"), std::string::npos);
  EXPECT_NE(fault_of({"api.error_codes=x"}).find("one of: evs, openstack"), std::string::npos);
  EXPECT_NE(fault_of({"http.tls_key=x"}).find("belong together"), std::string::npos);
  EXPECT_NE(fault_of({"store.run_directory=/" + std::string(100, 'x')}).find("too long"), std::string::npos);
}

TEST(Config, EveryKeyIsDocumented) {
  std::string page = files::read(std::filesystem::path(VARVE_SOURCE_DIR) / "docs/operations/configuration.md");
  for (const std::string& key : config_keys()) {
    EXPECT_NE(page.find("| `" + key + "` |"), std::string::npos) << key << " is missing in configuration.md";
  }
}

}  // namespace
}  // namespace varve::daemon
