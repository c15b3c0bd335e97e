@migration @use.with_engine=counting
Feature: What a client wished for holds after a move
  A request says more than its prompt: when to stop, how to choose words. A worker that goes on with an answer must be asked for
  the same as the one before, or the reader gets another answer than the one that was begun.

  The counting engine chooses no words: it shows what it was asked for. Tool calls and thoughts it cannot have.

  Rule: What was wished for is what the worker that goes on is asked for

    Scenario Outline: An answer stops where its client wished, although another worker goes on: <wish>
      Given a <backend> deployment with 2 workers that allows 3 migrations
      And a client that streams 200 tokens and wishes <wish>
      When the worker that serves the client is killed after 50 tokens
      Then the client receives <tokens> tokens in order, and the answer stops there
      And exactly 1 migration of a running request is counted

      @vllm
      Examples: vLLM
        | backend | wish                                | tokens |
        | vllm    | that it stops before the word 1120  | 119    |
        | vllm    | that it stops before the token 1120 | 119    |

      @sglang
      Examples: SGLang
        | backend | wish                                | tokens |
        | sglang  | that it stops before the word 1120  | 119    |
        | sglang  | that it stops before the token 1120 | 119    |

      @trtllm
      Examples: TensorRT-LLM
        | backend | wish                                | tokens |
        | trtllm  | that it stops before the word 1120  | 119    |
        | trtllm  | that it stops before the token 1120 | 119    |

    Scenario Outline: How words are chosen is the same on the worker that goes on
      Given a <backend> deployment with 2 workers that allows 3 migrations
      And a client that streams 200 tokens and wishes for a bit of everything
      When the worker that serves the client is killed after 50 tokens
      Then the client receives each of the 200 tokens exactly once
      And the worker that goes on with the answer of the client is asked for the same

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |

    Scenario Outline: An answer has the least length that its client wished, although another worker goes on
      Given a <backend> deployment with 2 workers that allows 3 migrations
      And a client that streams 200 tokens and wishes that it has at least 150 tokens and stops before the word 1120
      When the worker that serves the client is killed after 50 tokens
      Then the client receives each of the 200 tokens exactly once
      And exactly 1 migration of a running request is counted

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

      @sglang
      Examples: SGLang
        | backend |
        | sglang  |

      @trtllm
      Examples: TensorRT-LLM
        | backend |
        | trtllm  |

  Rule: What cannot go on elsewhere without harm is not moved: its client is told of an error within 5 seconds

    Scenario Outline: A request for <wish> is not moved
      Given a <backend> deployment with 2 workers that allows 3 migrations
      And a client that streams 200 tokens and wishes for <wish>
      When the worker that serves the client is killed after 50 tokens
      Then the client is told of an error within 5 seconds
      And no other worker takes up the request of the client

      @vllm
      Examples: vLLM
        | backend | wish                      |
        | vllm    | two answers               |
        | vllm    | an answer of a given form |

      @sglang
      Examples: SGLang
        | backend | wish                      |
        | sglang  | two answers               |
        | sglang  | an answer of a given form |

      @trtllm
      Examples: TensorRT-LLM
        | backend | wish                      |
        | trtllm  | two answers               |
        | trtllm  | an answer of a given form |
