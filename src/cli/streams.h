// Standard input, output and error as every command finds them: open, and failing by return value alone.
#pragma once

#include <string>
#include <string_view>

namespace glassbox {

// Once, before anything is opened. Writing to a pipe that nobody reads becomes an error like any other (SIGPIPE would
// end a server with its log's reader), and no file that is opened later takes the place of a standard stream that was
// closed, to be written into by what is printed.
void prepare_streams();

// Writes to standard output at once. False if it, or anything before it, could not be written.
bool put(std::string_view text);

std::string read_standard_input();  // to its end

// True once something could not be written to standard output: a command that goes on for long may stop.
bool output_lost();

// Why it could not, where something else than put() learned it.
void output_lost_by(int error);

// The last of a program: `status`, or 1 after one line on standard error where standard output lost anything.
int finish_output(int status);

}  // namespace glassbox
