#include "backups/archive.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace varve::backups {
namespace {

constexpr char kArchive[] = "archive 11111111-1111-4111-8111-111111111111\n";

std::string text_of(const std::string& lines) {
  return "varve-backup 1\nsize 8388609\nvolume {}\n" + lines + "end\n";
}

TEST(ArchiveTest, AManifestIsReadAsItWasWritten) {
  Manifest manifest = decode(text_of(std::string(kArchive) + "chunk 0 0 aa\nchunk 2 0 bb\n"));
  EXPECT_EQ(manifest.size, 8388609U);
  ASSERT_EQ(manifest.chunks.size(), 2U);
  EXPECT_EQ(manifest.chunks[1].number, 2U);
  EXPECT_EQ(decode(encode(manifest)).chunks[1].hash, "bb");
}

TEST(ArchiveTest, AManifestThatLeadsElsewhereIsBroken) {
  const std::string archive = kArchive;
  for (const std::string& lines :
       {std::string(), std::string("archive ../../../x\n"), std::string("archive /etc\n"), std::string("archive \n"),
        archive + "chunk 3 0 aa\n", archive + "chunk 0 1 aa\n", archive + "chunk 1 0 aa\nchunk 1 0 aa\n",
        archive + "chunk 1 0 aa\nchunk 0 0 aa\n", archive + "chunk 4398046511104 0 aa\n",
        archive + "chunk 1 0 aa\nsize 1\n", archive + "chunk -1 0 aa\n"}) {
    EXPECT_THROW(decode(text_of(lines)), Error) << lines;
  }
}

}  // namespace
}  // namespace varve::backups
