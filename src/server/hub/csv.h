// Comma-separated values (RFC 4180) that spreadsheets open as the texts they are.
#pragma once

#include <string>
#include <string_view>

namespace glassbox::hubapi {

// A field, quoted. Whatever a spreadsheet might begin to read as a formula in it, at its start or behind what some
// take for the end of a cell, has an apostrophe before it. Control characters become spaces.
std::string csv_field(std::string_view text);

}  // namespace glassbox::hubapi
