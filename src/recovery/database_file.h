// The database as a file: what is wrong with it, what can still be read, a copy of it while it is in use. Only
// roll_back() changes the file that is looked at.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

namespace varve::recovery {

enum class Condition : std::uint8_t {
  Missing,  // no file, an empty one, or one without tables
  Healthy,
  Damaged,  // SQLite says that its content is wrong
};

// Takes back the transaction that a power cut has left in a rollback journal, as SQLite does when it is about to write.
// A database has such a journal until it has changed over to a log (a new one, or one that was restored from a copy).
// When it cannot be done nothing is thrown: examine() tells why.
void roll_back(const std::filesystem::path& file);

// Reads every page. Not being able to read (a failing disk, a missing permission, no file handles) is no proof of
// damage: it throws Error(Unavailable).
Condition examine(const std::filesystem::path& file, std::string* what = nullptr);

// The version of the schema that it was written with, as far as that can be read; else the newest.
int written_version(const std::filesystem::path& file);

// Rows that could be read, by table, of the columns that both files have; rows that `to` has already are left.
// References to rows that were lost are not looked at.
std::map<std::string, std::int64_t> salvage(const std::filesystem::path& from, const std::filesystem::path& to);

// Rows whose references lead nowhere go, statuses that are none become `error`; returns how many rows went. The copy
// is then as good as one that was never damaged; else Error(BackendFailed) is thrown.
std::int64_t tidy(const std::filesystem::path& file);

// A consistent copy of a database that may be in use, in one file.
void copy_database(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace varve::recovery
