#include "model/status.h"

#include <gtest/gtest.h>

#include "base/files.h"

namespace varve::model {
namespace {

// Every move of the code is a line of docs/STATES.md, and the page has no other.
template <class Moves>
std::string rows(const Moves& moves) {
  std::string out;
  for (const auto& move : moves) {
    out += "| `" + std::string(to_string(move.from)) + "` | `" + std::string(to_string(move.to)) + "` | " +
           std::string(move.cause) + " |\n";
  }
  return out;
}

TEST(States, ThePageShowsTheTables) {
  std::string page = files::read(std::filesystem::path(VARVE_SOURCE_DIR) / "docs/STATES.md");
  const std::string head = "| from | to | cause |\n|---|---|---|\n";
  EXPECT_NE(page.find(head + rows(volume_moves()) + "\n"), std::string::npos);
  EXPECT_NE(page.find(head + rows(snapshot_moves()) + "\n"), std::string::npos);
}

}  // namespace
}  // namespace varve::model
