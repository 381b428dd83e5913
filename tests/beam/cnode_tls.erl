%% SPDX-License-Identifier: Apache-2.0
%%
%% Certificates for tests of TLS distribution, and what both kinds of nodes need
%% to use them. Any case can be run over TLS by one thing: the BEAM that runs it
%% is a node over TLS. What cnode_peer starts from there, C nodes and BEAMs,
%% then speaks TLS as well, with the same versions:
%%
%%     {Peer, Node} = cnode_tls:start_beam('1.3'),       % or '1.2', both
%%     ok = peer:call(Peer, my_cases, run, []),           % calls cnode_peer:start/1
%%     cnode_peer:stop_beam(Peer).
%%
%% A BEAM started in another way needs the flags that args/1 gives. A single C
%% node with other files or keys: cnode_peer:start(Config, #{tls => Settings}),
%% where Settings is node.tls of the configuration, or false for a plain node.
-module(cnode_tls).

-export([start_beam/1, start_beam/2, args/1, inherited/0]).
-export([certificates/0, make/2, settings/2, folder/0]).

%% ------------------------------------------------------------------ BEAM nodes

%% A BEAM over TLS, reached by its standard input and output only: it runs cases
%% as a node of its own cluster.
start_beam(Versions) -> start_beam(Versions, #{}).

%% Options: certificates (what make/2 gave), args (more flags), options (more of
%% ssl, for both roles; they go first), tls (false: a plain node).
start_beam(Versions, Opts) ->
    Tls =
        case Opts of
            #{tls := false} -> [];
            _ -> args(Versions, maps:get(certificates, Opts, certificates()), maps:get(options, Opts, []))
        end,
    [Name, Host] = string:lexemes(atom_to_list(cnode_peer:unique("t")), "@"),
    {ok, Peer, Node} = peer:start_link(#{
        name => Name,
        host => Host,
        longnames => true,
        connection => standard_io,
        wait_boot => 30000,
        args => ["-setcookie", atom_to_list(cnode_peer:unique_atom("cookie")), "-pa" | code:get_path()] ++
            ["-kernel", "logger_level", "emergency"] ++ Tls ++ maps:get(args, Opts, [])
    }),
    {Peer, Node}.

%% The flags of `erl` for a node over TLS; the certificates are made when they
%% are first asked for.
args(Versions) -> args(Versions, certificates(), []).

args(Versions, Certificates, More) ->
    Number = integer_to_list(erlang:unique_integer([positive])),
    File = filename:join(folder(), "dist_" ++ Number ++ ".conf"),
    ok = file:write_file(File, io_lib:format("~p.~n", [options(Versions, Certificates, More)])),
    ["-proto_dist", "inet_tls", "-ssl_dist_optfile", File].

options(Versions, #{cert := Cert, key := Key, ca := Ca}, More) ->
    Common = More ++ [
        {certfile, Cert},
        {keyfile, Key},
        {cacertfile, Ca},
        {verify, verify_peer},
        {versions, versions(Versions)}
    ],
    [{server, [{fail_if_no_peer_cert, true} | Common]}, {client, Common}].

versions('1.2') -> ['tlsv1.2'];
versions('1.3') -> ['tlsv1.3'];
versions(both) -> ['tlsv1.3', 'tlsv1.2'].

%% ---------------------------------------------------------------- what started us

%% The flags that this BEAM got for TLS, to hand on; and node.tls for C nodes
%% beside it. plain: it is a node over TCP.
inherited() ->
    case {init:get_argument(proto_dist), init:get_argument(ssl_dist_optfile)} of
        {{ok, [["inet_tls"]]}, {ok, [[File]]}} ->
            {ok, [Options]} = file:consult(File),
            Server = proplists:get_value(server, Options),
            Text = fun(Key) -> unicode:characters_to_binary(proplists:get_value(Key, Server)) end,
            #{
                args => ["-proto_dist", "inet_tls", "-ssl_dist_optfile", File],
                settings => #{
                    cert => Text(certfile),
                    key => Text(keyfile),
                    ca => Text(cacertfile),
                    versions => [
                        case V of
                            'tlsv1.2' -> <<"1.2">>;
                            'tlsv1.3' -> <<"1.3">>
                        end
                     || V <- proplists:get_value(versions, Server)
                    ]
                }
            };
        _ ->
            plain
    end.

%% ---------------------------------------------------------------- certificates

%% A certificate that is right for 127.0.0.1 and localhost. Made once. (OTP 25
%% looks for an address among the names.)
certificates() ->
    case persistent_term:get(?MODULE, undefined) of
        undefined ->
            Made = make("node", #{}),
            persistent_term:put(?MODULE, Made),
            Made;
        Made ->
            Made
    end.

%% node.tls for a C node.
settings(#{cert := Cert, key := Key, ca := Ca}, More) ->
    maps:merge(
        #{
            cert => unicode:characters_to_binary(Cert),
            key => unicode:characters_to_binary(Key),
            ca => unicode:characters_to_binary(Ca)
        },
        More
    ).

%% Options: hosts (subjectAltName), days (negative: it has expired), ca (the name
%% of the one that signs it), usage (extendedKeyUsage).
make(Name, Opts) ->
    Dir = folder(),
    In = fun(File) -> filename:join(Dir, File) end,
    Ca = maps:get(ca, Opts, "ca"),
    filelib:is_regular(In(Ca ++ ".pem")) orelse make_ca(Ca),
    Hosts = maps:get(hosts, Opts, "DNS:localhost,DNS:127.0.0.1,IP:127.0.0.1"),
    Usage = maps:get(usage, Opts, "serverAuth,clientAuth"),
    Days = maps:get(days, Opts, 30),
    ok = file:write_file(In(Name ++ ".ext"), [
        "subjectAltName=", Hosts, "\nextendedKeyUsage=", Usage, "\nbasicConstraints=CA:FALSE\n"
    ]),
    openssl(["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-subj", "/CN=" ++ Name, "-keyout", In(Name ++ ".key"), "-out", In(Name ++ ".csr")]),
    openssl(["x509", "-req", "-in", In(Name ++ ".csr"), "-CA", In(Ca ++ ".pem"), "-CAkey",
        In(Ca ++ ".key"), "-CAcreateserial", "-days", integer_to_list(Days),
        "-extfile", In(Name ++ ".ext"), "-out", In(Name ++ ".pem")]),
    #{cert => In(Name ++ ".pem"), key => In(Name ++ ".key"), ca => In(Ca ++ ".pem")}.

make_ca(Name) ->
    In = fun(Ext) -> filename:join(folder(), Name ++ Ext) end,
    openssl(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-days", "30", "-subj", "/CN=cnode test " ++ Name, "-keyout", In(".key"), "-out", In(".pem")]).

openssl(Args) ->
    Port = open_port({spawn_executable, os:find_executable("openssl")}, [
        {args, Args}, exit_status, stderr_to_stdout, binary
    ]),
    case output(Port, <<>>) of
        {0, _} -> ok;
        {Status, Text} -> error({openssl, Args, Status, Text})
    end.

output(Port, Text) ->
    receive
        {Port, {data, More}} -> output(Port, <<Text/binary, More/binary>>);
        {Port, {exit_status, Status}} -> {Status, Text}
    end.

%% Of this BEAM; goes with it: the shell's input ends then.
folder() ->
    Dir = filename:join(cnode_peer:tmp_dir(), "cnode_tls_" ++ os:getpid()),
    case filelib:is_dir(Dir) of
        true ->
            Dir;
        false ->
            ok = file:make_dir(Dir),
            spawn(fun() ->
                group_leader(whereis(init), self()), % eunit ends its own
                Script = "cat >/dev/null; rm -rf \"$0\"",
                open_port({spawn_executable, "/bin/sh"}, [{args, ["-c", Script, Dir]}]),
                receive
                after infinity -> ok
                end
            end),
            Dir
    end.
