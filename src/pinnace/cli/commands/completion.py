"""`completion`: scripts for bash, zsh and fish (and PowerShell) that ask this program for what may come next.

The scripts call `__complete -- WORD...` (complete.py), which prints one candidate a line: commands, flags, types, and names from the live cluster.
"""

from pinnace.cli.command import Command
from pinnace.cli.errors import CliError
from pinnace.cli.flags import Values
from pinnace.cli.session import Session

BASH = """# bash completion for {program}: source <({program} completion bash)
_{name}_complete() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" line
    COMPREPLY=()
    while IFS= read -r line; do
        [[ "$line" == "$word"* ]] && COMPREPLY+=("$line")
    done < <({program} __complete -- "${{COMP_WORDS[@]:1:COMP_CWORD}}" 2>/dev/null)
    [[ ${{#COMPREPLY[@]}} -eq 1 && "${{COMPREPLY[0]}}" == */ ]] && compopt -o nospace
    return 0
}}
complete -o default -F _{name}_complete {program}
"""
ZSH = """#compdef {program}
# zsh completion for {program}: source <({program} completion zsh)
_{name}_complete() {{
    local -a candidates
    candidates=("${{(@f)$({program} __complete -- "${{(@)words[2,CURRENT]}}" 2>/dev/null)}}")
    if [[ -n "${{candidates[1]}}" ]]; then compadd -a candidates; else _files; fi
}}
compdef _{name}_complete {program}
"""
FISH = """# fish completion for {program}: {program} completion fish | source
function __{name}_complete
    set -l words (commandline -opc)
    {program} __complete -- $words[2..-1] (commandline -ct) 2>/dev/null
end
complete -c {program} -a '(__{name}_complete)'
"""
POWERSHELL = """# PowerShell completion for {program}: {program} completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName '{program}' -ScriptBlock {{
    param($word, $line, $cursor)
    $words = @($line.CommandElements | Select-Object -Skip 1 | ForEach-Object {{ $_.ToString() }})
    if ($word -and $words.Count) {{ $words = @($words | Select-Object -SkipLast 1) }}
    & {program} __complete "--" @words "$word" 2>$null | Where-Object {{ $_ -like "$word*" }} |
        ForEach-Object {{ [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_) }}
}}
"""
SHELLS = {"bash": BASH, "zsh": ZSH, "fish": FISH, "powershell": POWERSHELL}


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    hint = f"\nSee '{session.path} -h' for help and examples"
    if not arguments:
        raise CliError(f"Shell not specified.{hint}")
    if len(arguments) > 1:
        raise CliError(f"Too many arguments. Expected only the shell type.{hint}")
    script = SHELLS.get(arguments[0])
    if script is None:
        raise CliError(f'Unsupported shell type "{arguments[0]}".{hint}')
    print(script.format(program=session.program, name=session.program.replace("-", "_")), end="")
    return 0


COMPLETION = Command(
    run, (), "SHELL", "Output shell completion code for the specified shell (bash, zsh, fish, or powershell).",
)  # fmt: skip
