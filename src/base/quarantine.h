// Files that nobody can account for are set aside, never removed: whoever knows more can put them back.
#pragma once

#include <filesystem>
#include <string_view>

namespace varve {

// Moves the file by rename to `directory` (made at first use; on the same file system), under its own name or, when
// that is taken, with a number behind it. Beside it `<name>.reason` tells in JSON where it was, why it was moved and
// when. Returns its new path. Durable; throws Error(BackendFailed, NoSpace) with the file in one of the two places.
std::filesystem::path set_aside(const std::filesystem::path& file, const std::filesystem::path& directory,
                                std::string_view reason);

// Of what was moved in another way. That it cannot be noted is no fault.
void note_reason(const std::filesystem::path& place, const std::filesystem::path& was, std::string_view reason);

// Moves it back to `place`, which must be free, and removes the reason.
void put_back(const std::filesystem::path& file, const std::filesystem::path& place);

}  // namespace varve
