// The processes of one `mpirun -n N counterflow train ...` as a team (OpenMPI through Boost.MPI). MPI is begun by no other verb, and
// not by a process alone.
#pragma once
#include <memory>

#include "core/training/team.h"

namespace counterflow {

// A process alone, unless mpirun has started several. Throws ConfigError where this program cannot speak with the others.
std::unique_ptr<Team> make_team();

}  // namespace counterflow
