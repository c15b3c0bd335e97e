@deployment @k8s
Feature: A cluster takes pods and nodes away, and nobody's answer with them
  Clusters are drained, upgraded and resized while people use what runs on them, and now and then a machine of theirs
  dies. Whoever runs Dynamo on a cluster wants to know which of this its users notice.

  Every load is compared with itself: 2 seconds before anything happens, while it lasts, and after it. Nodes are drained
  and lost only where their owner has allowed it.

  Rule: A pod that has its grace costs no request

    Scenario Outline: A worker whose pod is deleted costs no request
      Given a <backend> deployment with 2 workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When the pod of one worker is deleted under this load
      Then every request is answered in full
      And no token is lost or repeated

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

    Scenario Outline: A worker whose pod is evicted costs no request
      Given a <backend> deployment with 2 workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When the pod of one worker is evicted under this load
      Then every request is answered in full
      And no token is lost or repeated

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

    Scenario Outline: Workers are evicted only as far as others can serve, and nobody notices
      Given a <backend> deployment with 2 workers that allows 3 migrations
      And 1 worker that must be there whatever is evicted
      And 20 requests a second for 50 tokens each
      When the pods of all workers are evicted as far as that is allowed under this load
      Then every request is answered in full
      And no token is lost or repeated

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

    @serial
    Scenario Outline: A node that is drained costs no request
      Given a <backend> deployment with 2 workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When a node that carries workers is drained under this load
      Then every request is answered in full
      And no token is lost or repeated

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

  Rule: A pod that is given no grace costs running requests nothing, and all is as before within 15 seconds
    A cluster forgets such a pod at once. Its node still asks it to end, and makes an end of it 2 seconds later.

    Scenario Outline: A worker whose pod is deleted without grace costs running requests nothing
      Given a <backend> deployment with 2 workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When the pod of one worker is deleted without grace under this load
      Then every request is answered as before within 15 seconds
      And every request that was being answered when it happened is answered in full
      And no token is lost or repeated

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

  Rule: A node that is lost is done without after 15 seconds

    @serial
    Scenario Outline: Who comes when a node has been lost for a while is served by the other one
      Given a <backend> deployment with 2 workers that allows 3 migrations, where what ends is started again
      And 10 requests a second for 50 tokens each
      When a node that carries workers is lost under this load
      Then every request is answered as before within 15 seconds
      And no token is lost or repeated

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

  Rule: While the cluster's API server is away for a minute, nobody notices

    @serial
    Scenario Outline: An API server that is away for a minute costs no request
      Given a <backend> deployment with 2 workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When the cluster's API server is away for 60 seconds under this load
      Then every request is answered in full
      And no token is lost or repeated

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

  Rule: Who loses one of two frontends behind one address hears of it within 10 seconds, and all is as before by then

    @serial
    Scenario Outline: The loss of one of two frontends behind one address is over within 10 seconds
      Given a <backend> deployment with 2 frontends behind one address and 2 workers
      And 20 requests a second for 50 tokens each
      When the pod of one frontend is deleted without grace under this load
      Then every request is answered as before within 10 seconds
      And every client hears within 10 seconds what becomes of its request
      And no token is lost or repeated

      @vllm
      Examples: vLLM
        | backend |
        | vllm    |

  Rule: An upgrade that the cluster cannot carry out costs no request, and when what was wrong is mended every worker serves

    Scenario Outline: An upgrade to <something> leaves those who serve in place
      Given a <backend> deployment with 2 workers that allows 3 migrations
      And 20 requests a second for 50 tokens each
      When all workers are upgraded one by one to <something> under this load
      Then every request is answered in full
      And no token is lost or repeated
      And every worker serves within 10 seconds

      @vllm
      Examples: vLLM
        | backend | something                     |
        | vllm    | an image that nobody has      |
        | vllm    | a place that does not exist     |
        | vllm    | a secret that does not exist    |
        | vllm    | storage that does not exist     |
        | vllm    | a runtime that does not exist   |
        | vllm    | more than is left of a quota  |
        | vllm    | more memory than a pod may have        |
        | vllm    | less safety than is required |
