#include "store/reserve.h"

#include <fcntl.h>

#include "base/error.h"
#include "base/log.h"
#include "store/mapping.h"

namespace varve::store {

namespace {

// A log of so many bytes is some eight times what a checkpoint starts at; its index has 32 KiB for 4096 pages of it.
constexpr off_t kLog = 32 << 20;
constexpr off_t kIndex = 1 << 20;
constexpr std::int64_t kFreePages = 2048;  // 8 MiB
constexpr std::int64_t kUnlimited = 0xfffffffe;

std::int64_t pragma(Connection& db, const std::string& name) {
  return std::get<0>(query<std::int64_t>(db, "PRAGMA " + name).front());
}

UniqueFd open_file(const std::string& path) {
  return UniqueFd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
}

bool allocate(const UniqueFd& file, int mode, off_t bytes) {
  return file && ::fallocate(file.get(), mode, 0, bytes) == 0;
}

void roll_back(Connection& db) {
  try {
    db.script("ROLLBACK");
  } catch (const Error&) {
    log::debug("nothing was left to roll back");  // SQLite does it by itself when there is no space
  }
}

}  // namespace

Reserve::Reserve(std::string path)
    : path_(std::move(path)),
      database_(open_file(path_)),
      log_(::open((path_ + "-wal").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)),
      index_(open_file(path_ + "-shm")) {}

// SQLite removed the log with its last connection: the next start finds one that is empty and has its blocks.
Reserve::~Reserve() {
  log_ = UniqueFd();
  UniqueFd fresh(::open((path_ + "-wal").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!allocate(fresh, FALLOC_FL_KEEP_SIZE, kLog)) log::debug("the database's log has no reserve until the next start");
}

bool Reserve::take_blocks() {
  have_blocks_ =
      have_blocks_ || (allocate(log_, FALLOC_FL_KEEP_SIZE, kLog) && allocate(index_, FALLOC_FL_KEEP_SIZE, kIndex));
  return have_blocks_;
}

bool Reserve::keep(Connection& db) {
  bool grew = false;
  bool blocks = take_blocks();
  std::int64_t free = pragma(db, "freelist_count");
  if (free < kFreePages / 2) grew = grow(db);
  bool lacking = !blocks || (free < kFreePages / 2 && !grew);
  if (lacking && !warned_) {
    log::warning("the disk has no room for the database's reserve; when it is full changes may fail",
                 {{"free_pages", free}});
  }
  warned_ = lacking;
  return grew;
}

// The blocks, then the pages: they are made by a table that comes and goes in one transaction, and written to their
// place at once.
bool Reserve::grow(Connection& db) {
  std::int64_t size = pragma(db, "page_size");
  std::int64_t pages = pragma(db, "page_count");
  bool grew = false;
  if (allocate(database_, 0, static_cast<off_t>((pages + kFreePages + 64) * size))) {
    db.script("PRAGMA cache_spill = OFF");
    db.script("PRAGMA max_page_count = " + std::to_string(kUnlimited));
    db.script("BEGIN IMMEDIATE");
    try {
      db.script("CREATE TABLE reserve (bytes BLOB)");
      db.script("INSERT INTO reserve VALUES (zeroblob(" + std::to_string(kFreePages * size) + "))");
      db.script("DROP TABLE reserve");
      db.script("COMMIT");
      db.script("PRAGMA wal_checkpoint(PASSIVE)");
      grew = true;
    } catch (const Error& fault) {
      log::debug("the database's reserve does not grow", {{"error", fault.message()}});
      roll_back(db);
    }
    db.script("PRAGMA cache_spill = ON");
  }
  db.script("PRAGMA max_page_count = " + std::to_string(pragma(db, "page_count")));
  return grew;
}

}  // namespace varve::store
